// What the registry keeps secret. App settings hold references to it, never the values.

@description('Name of the vault.')
param name string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Principal id of the app\'s identity.')
param principalId string

@description('Keeps the vault from being purged before its days are over.')
param purgeProtection bool

@description('Reached by a private endpoint only.')
param privateNetwork bool

@description('What upload addresses are signed with.')
@secure()
param httpSecret string

@description('Private key that signs tokens, as PEM; empty for none.')
@secure()
param signingKey string

@description('Lines of an htpasswd file; empty for none.')
@secure()
param users string

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
    // The least that Azure takes. What is in here can be made anew: then everybody logs in again.
    softDeleteRetentionInDays: 7
    // Azure refuses false: what is not protected says nothing.
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

resource key 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = if (!empty(signingKey)) {
  parent: vault
  name: 'signing-key'
  properties: { value: signingKey }
}

resource htpasswd 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = if (!empty(users)) {
  parent: vault
  name: 'users'
  properties: { value: users }
}

// The platform reads the references for the app, in its name. On the vault: it holds nothing else.
resource access 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, principalId, secretsUser)
  scope: vault
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
  }
}

@description('Resource id.')
output id string = vault.id

@description('Address, with a slash at the end.')
output uri string = vault.properties.vaultUri
