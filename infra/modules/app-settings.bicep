// All settings of the app. The names of the registry's own settings are in registry_core/config/.

@description('Name of the app.')
param appName string

@description('Client ID of the registry\'s identity.')
param identityClientId string

@description('Client ID of the identity that the host uses.')
param hostIdentityClientId string

@description('URL of the Blob service of the host\'s storage account.')
param hostBlobEndpoint string

@description('Connection string of Application Insights.')
param insightsConnectionString string

@description('URL of the vault, with a trailing slash.')
param vaultUri string

@description('Storage account with the registry\'s data.')
param storageAccountName string

@description('Blob container with the registry\'s data.')
param containerName string

@description('How callers are authenticated.')
param authMode string

@description('Whether the vault has an htpasswd file.')
param hasUsers bool

@description('Public URL of the registry.')
param publicUrl string

@description('Whether storage is unreachable for clients.')
param privateNetwork bool

@description('Maximum size of a request body in bytes.')
param requestBodyLimitBytes int

@description('Whether garbage is collected.')
param collectGarbage bool

@description('Additional registry settings, by name; they override the others.')
param registrySettings object

// Flex Consumption configures runtime, version and package elsewhere and rejects the settings that
// other plans use for them.
var host = {
  // Access by identity. Only the Blob service is set because the host uses no other.
  AzureWebJobsStorage__blobServiceUri: hostBlobEndpoint
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: hostIdentityClientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${hostIdentityClientId};Authorization=AAD'
  // The registry answers at / itself.
  AzureWebJobsDisableHomepage: 'true'
  FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: string(requestBodyLimitBytes)
  // Selects the registry's identity, and keeps azure-identity from trying other credentials first.
  AZURE_CLIENT_ID: identityClientId
  AZURE_TOKEN_CREDENTIALS: 'ManagedIdentityCredential'
}

var registry = {
  REGISTRY_STORAGE_AZURE_ACCOUNTNAME: storageAccountName
  REGISTRY_STORAGE_AZURE_CONTAINER: containerName
  REGISTRY_STORAGE_AZURE_REALM: environment().suffixes.storage
  // Clients download layers from storage, and upload them there, unless they cannot reach it.
  REGISTRY_STORAGE_REDIRECT_DISABLE: privateNetwork ? 'true' : 'false'
  REGISTRY_STORAGE_DIRECTUPLOAD: privateNetwork ? 'off' : 'auto'
  // References have no version, so a replaced secret is picked up within a day.
  REGISTRY_HTTP_SECRET: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/http-secret)'
  REGISTRY_AUTH: authMode
  // Otherwise a header of the request would choose the URLs that clients send their passwords to.
  REGISTRY_HTTP_HOST: publicUrl
}

var users = hasUsers && contains(['builtin', 'htpasswd'], authMode)
  ? { REGISTRY_AUTH_HTPASSWD_PATH: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/users)' }
  : {}

var signing = authMode == 'builtin'
  ? { REGISTRY_AUTH_BUILTIN_SIGNINGKEY: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/signing-key)' }
  : {}

var collection = collectGarbage ? { REGISTRY_GC_ENABLED: 'true' } : {}

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: appName
}

resource settings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: union(host, registry, users, signing, collection, registrySettings)
}
