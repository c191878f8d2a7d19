// A registry without a server: everything it needs, in a resource group of its own.
// What each part is for, and what it costs: docs/infrastructure.md.
targetScope = 'subscription'

@description('Name of the azd environment; names of resources are derived from it.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Region of all resources. It must have the Flex Consumption plan.')
@minLength(1)
param location string

@description('What upload addresses are signed with: random, 16 characters or more. Made by the preprovision hook.')
@secure()
@minLength(16)
param httpSecret string

@description('Private key that signs tokens, as PEM in base64: for authMode builtin. Made by the hook. Base64, because azd carries no line breaks.')
@secure()
param signingKeyBase64 string = ''

@description('Lines of an htpasswd file, in base64: for authMode builtin and htpasswd. The hook makes a first user. Base64, because hashes are full of dollar signs.')
@secure()
param usersBase64 string = ''

@description('Name of the first user, for the docker login line.')
param firstUser string = ''

@description('Who is let in (REGISTRY_AUTH). builtin: users, access keys, Entra ID and CI jobs, without a second service.')
@allowed(['builtin', 'htpasswd', 'token', 'none'])
param authMode string = 'builtin'

@description('Address under a domain of your own, such as https://registry.example.com; empty for the one that Azure gives.')
param customHost string = ''

@description('More settings of the registry, by name: README.md lists them. They win over those set here. Nothing secret: they are plain.')
param registrySettings object = {}

@description('Storage account with a registry that is taken over; empty to make a new one. Nothing in an existing account is changed: it gets two role assignments and the lock.')
param existingStorageAccountName string = ''

@description('Resource group of the existing account, in the same subscription; empty if it is the registry\'s own.')
param existingStorageResourceGroupName string = ''

@description('Container of the registry\'s data. It is made in a new account, and must be there in an existing one.')
@minLength(3)
@maxLength(63)
param containerName string = 'registry'

@description('Redundancy of a new account. Every region has LRS; with ZRS what was pushed survives the loss of a data centre.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageSku string = 'Standard_LRS'

@description('Days that what was deleted can be brought back; 0 for none. A layer pushed by docker is kept twice for so long.')
@minValue(0)
@maxValue(365)
param softDeleteDays int = 7

@description('Forbids deleting the account, new or taken over, and so its resource group, until the lock is removed: azd down would delete all images.')
param lockStorage bool = true

@description('Memory of an instance in MB. 2048 is also a whole core; 512 is a quarter of one, and a cold start is work.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Requests that an instance serves at once. Python\'s default of 1 would start an instance for each; 16 pushes fit into 2048 MB.')
@minValue(1)
@maxValue(1000)
param perInstanceConcurrency int = 16

@description('Most instances at once: a bound for the bill. 40 serve 640 requests at once.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that are kept running, and paid for, so that nobody waits for a cold start. 0: idle costs nothing.')
@minValue(0)
param alwaysReadyInstances int = 0

@description('Longest request body in bytes (FUNCTIONS_REQUEST_BODY_SIZE_LIMIT), and so the largest layer that docker pushes. Without it 100 MiB.')
@minValue(104857600)
param requestBodyLimitBytes int = 1073741824

@description('Puts storage and vault behind private endpoints in a network of their own. Layers then come from the registry, not from storage.')
param privateNetwork bool = false

@description('Keeps the vault from being purged before its days are over. It can never be switched off, and what is in it can be made anew.')
param vaultPurgeProtection bool = false

@description('Days that logs are kept; up to 30 cost nothing beyond their ingestion.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Most GB of logs a day: a bound for the bill, and for what an attacker can make it.')
@minValue(1)
param logDailyCapGb int = 1

@description('Whom alerts are mailed to. Without it and without an action group there are none: an alert that tells nobody only costs.')
param alertEmail string = ''

@description('Resource id of an action group that alerts go to.')
param actionGroupId string = ''

var abbreviations = loadJsonContent('abbreviations.json')
var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }
var newStorage = empty(existingStorageAccountName)
var ownGroupName = '${abbreviations.resourcesResourceGroups}${environmentName}'
var storageGroupName = (newStorage || empty(existingStorageResourceGroupName)) ? ownGroupName : existingStorageResourceGroupName
var storageAccountName = newStorage ? '${abbreviations.storageStorageAccounts}data${token}' : existingStorageAccountName

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: ownGroupName
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: '${abbreviations.managedIdentityUserAssignedIdentities}${token}'
    location: location
    tags: tags
  }
}

module registryStorage 'modules/registry-storage.bicep' = if (newStorage) {
  name: 'registry-storage'
  scope: group
  params: {
    name: storageAccountName
    location: location
    tags: tags
    sku: storageSku
    containerName: containerName
    softDeleteDays: softDeleteDays
    privateNetwork: privateNetwork
  }
}

module registryAccess 'modules/registry-access.bicep' = {
  name: 'registry-access'
  scope: resourceGroup(storageGroupName)
  params: {
    accountName: storageAccountName
    containerName: containerName
    principalId: identity.outputs.principalId
    lock: lockStorage
  }
  dependsOn: [registryStorage]
}

module hostStorage 'modules/host-storage.bicep' = {
  name: 'host-storage'
  scope: group
  params: {
    name: '${abbreviations.storageStorageAccounts}host${token}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    privateNetwork: privateNetwork
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    name: '${abbreviations.keyVaultVaults}${token}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    purgeProtection: vaultPurgeProtection
    privateNetwork: privateNetwork
    httpSecret: httpSecret
    signingKey: empty(signingKeyBase64) ? '' : base64ToString(signingKeyBase64)
    users: empty(usersBase64) ? '' : base64ToString(usersBase64)
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: '${abbreviations.operationalInsightsWorkspaces}${token}'
    insightsName: '${abbreviations.insightsComponents}${token}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    retentionDays: logRetentionDays
    dailyCapGb: logDailyCapGb
  }
}

// An account that is taken over gets no endpoint from here: nothing of it is changed.
var ownServices = [
  { name: 'host-storage', kind: 'blob', id: hostStorage.outputs.id }
  { name: 'vault', kind: 'vault', id: vault.outputs.id }
]

module network 'modules/network.bicep' = if (privateNetwork) {
  name: 'network'
  scope: group
  params: {
    name: '${abbreviations.networkVirtualNetworks}${token}'
    endpointPrefix: abbreviations.networkPrivateEndpoints
    location: location
    tags: tags
    services: newStorage
      ? union(ownServices, [{ name: 'registry-storage', kind: 'blob', id: registryStorage.outputs.id }])
      : ownServices
  }
}

module app 'modules/app.bicep' = {
  name: 'app'
  scope: group
  params: {
    planName: '${abbreviations.webServerFarms}${token}'
    appName: '${abbreviations.webSitesFunctions}${token}'
    location: location
    tags: tags
    identityId: identity.outputs.id
    packageContainerUrl: '${hostStorage.outputs.blobEndpoint}${hostStorage.outputs.packageContainerName}'
    instanceMemoryMB: instanceMemoryMB
    perInstanceConcurrency: perInstanceConcurrency
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    subnetId: privateNetwork ? network.outputs.appSubnetId : ''
  }
}

module appSettings 'modules/app-settings.bicep' = {
  name: 'app-settings'
  scope: group
  params: {
    appName: app.outputs.name
    identityClientId: identity.outputs.clientId
    hostBlobEndpoint: hostStorage.outputs.blobEndpoint
    insightsConnectionString: monitoring.outputs.connectionString
    vaultUri: vault.outputs.uri
    storageAccountName: storageAccountName
    containerName: containerName
    authMode: authMode
    hasUsers: !empty(usersBase64)
    customHost: customHost
    privateNetwork: privateNetwork
    requestBodyLimitBytes: requestBodyLimitBytes
    registrySettings: registrySettings
  }
  // The registry looks at its container when it starts.
  dependsOn: [registryAccess]
}

module alerts 'modules/alerts.bicep' = if (!empty(alertEmail) || !empty(actionGroupId)) {
  name: 'alerts'
  scope: group
  params: {
    namePrefix: 'registry-${token}'
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    email: alertEmail
    actionGroupId: actionGroupId
  }
}

var loginServer = empty(customHost) ? app.outputs.hostName : replace(replace(customHost, 'https://', ''), '/', '')

@description('Resource group of all that is deployed.')
output AZURE_RESOURCE_GROUP string = group.name

@description('The app that azd publishes to.')
output AZURE_FUNCTION_NAME string = app.outputs.name

@description('Address that Azure gives the app: where a domain of your own points to.')
output REGISTRY_AZURE_URL string = 'https://${app.outputs.hostName}'

@description('Name that clients know the registry by.')
output REGISTRY_LOGIN_SERVER string = loginServer

@description('How to log in. The password is in the azd environment, and nowhere else.')
output REGISTRY_LOGIN_COMMAND string = 'azd env get-value REGISTRY_FIRST_PASSWORD | docker login ${loginServer} --username ${firstUser} --password-stdin'

@description('Storage account of the registry\'s data.')
output REGISTRY_STORAGE_ACCOUNT string = storageAccountName

@description('What the app signs in as: for roles in other places.')
output REGISTRY_IDENTITY_CLIENT_ID string = identity.outputs.clientId
