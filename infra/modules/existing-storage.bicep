// Refuses an existing storage account that cannot hold a registry. Deploys nothing.

@description('Name of the storage account.')
param accountName string

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: accountName
}

@description('Whether the account has a flat namespace, as the registry needs. In a hierarchical one (Data Lake Storage Gen2, SFTP, NFS), directories are objects, and stay when their files go.')
output flat bool = account.properties.?isHnsEnabled ?? false
  ? fail('${accountName} has a hierarchical namespace (Data Lake Storage Gen2), where directories are objects: copy the registry to an account without one.')
  : true
