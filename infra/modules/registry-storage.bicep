// A new storage account that holds the registry's data and nothing else.

@description('Name of the account.')
param name string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Redundancy.')
param sku string

@description('Blob container for the registry\'s data.')
param containerName string

@description('Days for which deleted blobs can be restored; 0 disables soft delete.')
param softDeleteDays int

@description('Whether the account is reachable through its private endpoint only.')
param privateNetwork bool

var softDelete = softDeleteDays > 0 ? { enabled: true, days: softDeleteDays } : { enabled: false }

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    // Entra ID only: access by a leaked account key could not be revoked for one holder.
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // How often a layer is read cannot be predicted, and the hot tier has no charge for reading data.
    accessTier: 'Hot'
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    // Clients download layers from here, from any address; the signed URL is what authorizes them.
    networkAcls: { defaultAction: privateNetwork ? 'Deny' : 'Allow', bypass: 'None' }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: softDelete
    containerDeleteRetentionPolicy: softDelete
    // Content never changes under its digest. Versions would only keep, and bill, every completed
    // upload and every moved tag until they are deleted one by one.
    isVersioningEnabled: false
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: containerName
  properties: { publicAccess: 'None' }
}

// Deletes abandoned uploads after a week, as CNCF distribution does. Rules match prefixes only, so the
// registry keeps all uploads, and nothing else, under one prefix (registry_core/storage/layout.py).
// Azure discards uncommitted blocks after a week by itself.
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

@description('Resource ID of the account.')
output id string = account.id

@description('Name of the account.')
output name string = account.name
