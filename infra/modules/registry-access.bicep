// What the app may do with the registry's data, in a new account or in one that is taken over, and
// what nobody may do by mistake.

@description('Name of the storage account.')
param accountName string

@description('Container of the registry\'s data.')
param containerName string

@description('Principal id of the app\'s identity.')
param principalId string

@description('Forbids deleting the account.')
param lock bool

// Storage Blob Data Contributor: read, write, delete and list blobs.
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
// Storage Blob Delegator: ask for the key that signs short-lived addresses of layers.
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

// On the container alone: what else is in an account that is taken over is not the registry's.
resource data 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account::blobs::container.id, principalId, blobDataContributor)
  scope: account::blobs::container
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}

// On the account: the key belongs to it, and Azure knows no narrower scope. It opens nothing by
// itself: what is signed with it reaches only what the role above does.
resource delegation 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, principalId, blobDelegator)
  scope: account
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDelegator)
  }
}

// `azd down` deletes every resource group that it finds in the deployment, and because of the roles
// above also that of an account that is taken over. Azure refuses to while one resource is locked.
resource keep 'Microsoft.Authorization/locks@2020-05-01' = if (lock) {
  name: 'keep-the-registry'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'All images of the registry lie here. Remove this lock to delete them.'
  }
}
