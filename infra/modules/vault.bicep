// The registry's secrets. App settings hold references to them, never the values.

@description('Name of the vault.')
param name string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Principal ID of the identity that the platform uses.')
param principalId string

@description('Whether to prevent purging the vault during its retention period.')
param purgeProtection bool

@description('Whether the vault is reachable through its private endpoint only.')
param privateNetwork bool

@description('Resource ID of the Log Analytics workspace.')
param workspaceId string

@description('Key that signs upload URLs.')
@secure()
param httpSecret string

@description('Private key that signs tokens, as base64-encoded PEM; empty for none.')
@secure()
param signingKeyBase64 string

@description('Content of an htpasswd file, base64-encoded; empty for none.')
@secure()
param usersBase64 string

// Key Vault Secrets User: read the values of secrets, and nothing else.
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    // The minimum. The secrets can be generated again; everyone then has to log in again.
    softDeleteRetentionInDays: 7
    // Azure rejects false: protection that is not wanted must be left out.
    enablePurgeProtection: purgeProtection ? true : null
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    networkAcls: { defaultAction: privateNetwork ? 'Deny' : 'Allow', bypass: 'AzureServices' }
  }
}

resource http 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = {
  parent: vault
  name: 'http-secret'
  properties: { value: httpSecret }
}

resource key 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = if (!empty(signingKeyBase64)) {
  parent: vault
  name: 'signing-key'
  properties: { value: base64ToString(signingKeyBase64) }
}

resource htpasswd 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = if (!empty(usersBase64)) {
  parent: vault
  name: 'users'
  properties: { value: base64ToString(usersBase64) }
}

// The platform resolves the references with this identity. On the whole vault, because it holds
// nothing but the registry's secrets.
resource access 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, principalId, secretsUser)
  scope: vault
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
  }
}

// Who read or changed a secret. There are few such events: the platform reads each secret when an app
// setting changes, and once a day.
resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'AuditEvent', enabled: true }]
  }
}

@description('Resource ID of the vault.')
output id string = vault.id

@description('URL of the vault, with a trailing slash.')
output uri string = vault.properties.vaultUri
