// The app's settings, all in one place. registry_core/config/names.py has the registry's own.

@description('Name of the app.')
param appName string

@description('Client id of the app\'s identity.')
param identityClientId string

@description('Address of the host storage\'s Blob service.')
param hostBlobEndpoint string

@description('Where telemetry goes.')
param insightsConnectionString string

@description('Address of the vault, with a slash at the end.')
param vaultUri string

@description('Storage account of the registry\'s data.')
param storageAccountName string

@description('Container of the registry\'s data.')
param containerName string

@description('Who is let in.')
param authMode string

@description('There is a password file in the vault.')
param hasUsers bool

@description('Address under a domain of your own; empty for none.')
param customHost string

@description('Storage cannot be reached by clients.')
param privateNetwork bool

@description('Longest request body in bytes.')
param requestBodyLimitBytes int

@description('More settings of the registry, by name.')
param registrySettings object

var secrets = '${vaultUri}secrets'

// Flex Consumption keeps runtime, version and package elsewhere, and refuses their old settings.
var host = {
  // By identity. Only the Blob service is named, because nothing else is used.
  AzureWebJobsStorage__blobServiceUri: hostBlobEndpoint
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  // The registry has a page of its own at /.
  AzureWebJobsDisableHomepage: 'true'
  // The host's default of 100 MiB is less than many layers have.
  FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: string(requestBodyLimitBytes)
  // Which identity the app is, and that it need not try the other ways to sign in one by one.
  AZURE_CLIENT_ID: identityClientId
  AZURE_TOKEN_CREDENTIALS: 'ManagedIdentityCredential'
}

var registry = {
  REGISTRY_STORAGE_AZURE_ACCOUNTNAME: storageAccountName
  REGISTRY_STORAGE_AZURE_CONTAINER: containerName
  REGISTRY_STORAGE_AZURE_REALM: environment().suffixes.storage
  // Clients are sent to storage for layers, unless they could not get there.
  REGISTRY_STORAGE_REDIRECT_DISABLE: privateNetwork ? 'true' : 'false'
  // References without a version: a secret that is replaced is taken up within a day.
  REGISTRY_HTTP_SECRET: '@Microsoft.KeyVault(SecretUri=${secrets}/http-secret)'
  REGISTRY_AUTH: authMode
}

var address = empty(customHost) ? {} : { REGISTRY_HTTP_HOST: customHost }

var users = hasUsers && contains(['builtin', 'htpasswd'], authMode)
  ? { REGISTRY_AUTH_HTPASSWD_PATH: '@Microsoft.KeyVault(SecretUri=${secrets}/users)' }
  : {}

var signing = authMode == 'builtin'
  ? { REGISTRY_AUTH_BUILTIN_SIGNINGKEY: '@Microsoft.KeyVault(SecretUri=${secrets}/signing-key)' }
  : {}

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: appName
}

resource settings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: union(host, registry, address, users, signing, registrySettings)
}
