// A new storage account for what the registry holds, and nothing else.

@description('Name of the account.')
param name string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Redundancy.')
param sku string

@description('Container of the registry\'s data.')
param containerName string

@description('Days that what was deleted can be brought back; 0 for none.')
param softDeleteDays int

@description('Reached by a private endpoint only.')
param privateNetwork bool

var softDelete = softDeleteDays > 0 ? { enabled: true, days: softDeleteDays } : { enabled: false }

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    // Entra ID is the only way in: an account key could not be taken back from whoever saw it.
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Layers are read often or never, and nobody knows which: the hot tier has no price for reading.
    accessTier: 'Hot'
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    // Clients fetch layers here with signed addresses, from anywhere: the signature is the gate.
    networkAcls: { defaultAction: privateNetwork ? 'Deny' : 'Allow', bypass: 'None' }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: softDelete
    containerDeleteRetentionPolicy: softDelete
    // Content never changes under its digest. Versions would only keep, and bill, every upload that
    // is over and every tag that was moved, until somebody deletes them one by one.
    isVersioningEnabled: false
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: containerName
  properties: { publicAccess: 'None' }
}

// What is left of uploads that nobody finished. Rules know prefixes only, no wildcards: hence the
// registry keeps all its uploads under one (registry_core/storage/layout.py), and no layer. After a
// week, as CNCF distribution does; blocks that were never committed Azure drops after one by itself.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'abandoned-uploads'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: ['${containerName}/docker/registry/v2/_uploads/']
            }
            actions: {
              baseBlob: { delete: { daysAfterModificationGreaterThan: 7 } }
            }
          }
        }
      ]
    }
  }
}

@description('Resource id.')
output id string = account.id

@description('Name of the account.')
output name string = account.name
