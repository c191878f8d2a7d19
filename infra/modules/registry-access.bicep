// The app's permissions on the registry's data, in a new or an existing storage account, and the lock
// against deleting it by mistake.

@description('Name of the storage account.')
param accountName string

@description('Blob container with the registry\'s data.')
param containerName string

@description('Principal ID of the app\'s identity.')
param principalId string

@description('Whether to lock the account against deletion.')
param lock bool

// Storage Blob Data Contributor: read, write, delete and list blobs.
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
// Storage Blob Delegator: request the user delegation key that signs short-lived URLs of layers.
var blobDelegator = 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a'

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: accountName

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource container 'containers' existing = {
      name: containerName
    }
  }
}

// On the container only: other content of an existing account does not belong to the registry.
resource data 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account::blobs::container.id, principalId, blobDataContributor)
  scope: account::blobs::container
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}

// On the account, the narrowest scope that Azure offers for user delegation keys. It grants no access
// to data: a URL signed with the key reaches only what the role above permits.
resource delegation 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, principalId, blobDelegator)
  scope: account
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDelegator)
  }
}

// azd down deletes every resource group in the deployment which, because of the roles above, includes
// that of an existing storage account. Azure refuses to delete a group while a resource in it is locked.
resource keep 'Microsoft.Authorization/locks@2020-05-01' = if (lock) {
  name: 'keep-the-registry'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'This account holds all images of the registry. Remove this lock to delete them.'
  }
}
