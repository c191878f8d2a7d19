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

@description('Folder of the registry in the container (REGISTRY_STORAGE_AZURE_ROOTDIRECTORY); empty or a dot for none, a slash for names that begin with one.')
param rootDirectory string

@description('Whether the account is reachable through its private endpoint only.')
param privateNetwork bool

@description('Operations on blobs that are logged.')
param logs string[]

@description('Resource ID of the Log Analytics workspace.')
param workspaceId string

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

// As registry_core/config/ reads the setting: a slash in front of a folder or after it does not count.
var folder = startsWith(rootDirectory, '/') ? substring(rootDirectory, 1) : rootDirectory
var root = empty(rootDirectory) || rootDirectory == '.'
  ? ''
  : endsWith(rootDirectory, '/') ? folder == '' ? '/' : folder : '${folder}/'

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
              prefixMatch: ['${containerName}/${root}docker/registry/v2/_uploads/']
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

// Who wrote or deleted what, with which identity and from which address.
resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(logs)) {
  name: 'audit'
  scope: blobs
  properties: {
    workspaceId: workspaceId
    logs: [for category in logs: { category: category, enabled: true }]
  }
}

@description('Resource ID of the account.')
output id string = account.id

@description('Name of the account.')
output name string = account.name
