// The Functions plan and the app.

@description('Name of the plan.')
param planName string

@description('Name of the app, which is the first label of its host name.')
param appName string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Resource ID of the registry\'s identity.')
param identityId string

@description('Resource ID of the identity for package, host and secrets.')
param hostIdentityId string

@description('Networks, in CIDR notation, that may send requests; empty for all.')
param allowedNetworks string[]

@description('Networks, in CIDR notation, that may publish; empty for all.')
param allowedPublishingNetworks string[]

@description('URL of the blob container for the deployed package.')
param packageContainerUrl string

@description('Memory of an instance in MB.')
param instanceMemoryMB int

@description('Concurrent requests per instance.')
param perInstanceConcurrency int

@description('Maximum number of instances.')
param maximumInstanceCount int

@description('Instances that are always running.')
param alwaysReadyInstances int

@description('Resource ID of the subnet for outbound connections; empty for none.')
param subnetId string

// parseCidr fails for what is not a network. It would read an address alone as a whole class A network.
func allow(network string, priority int) object =>
  contains(network, '/')
    ? {
        name: 'allowed-${priority}'
        action: 'Allow'
        priority: priority
        ipAddress: '${parseCidr(network).network}/${parseCidr(network).cidr}'
      }
    : fail('${network} has no prefix length: write ${network}/32 for one IPv4 address, /128 for one of IPv6.')

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  // Linux, the only operating system of Flex Consumption.
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: appName
  location: location
  // azd deploy finds the app by this tag.
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {}, '${hostIdentityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    // Requests carry passwords and tokens.
    httpsOnly: true
    // The identity that resolves Key Vault references. The default, a system-assigned one, does not exist.
    keyVaultReferenceIdentity: hostIdentityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      ipSecurityRestrictions: [for (network, index) in allowedNetworks: allow(network, 100 + index)]
      ipSecurityRestrictionsDefaultAction: empty(allowedNetworks) ? 'Allow' : 'Deny'
      scmIpSecurityRestrictions: [for (network, index) in allowedPublishingNetworks: allow(network, 100 + index)]
      scmIpSecurityRestrictionsDefaultAction: empty(allowedPublishingNetworks) ? 'Allow' : 'Deny'
      scmIpSecurityRestrictionsUseMain: false
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: hostIdentityId
          }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyInstances > 0 ? [{ name: 'http', instanceCount: alwaysReadyInstances }] : []
        triggers: { http: { perInstanceConcurrency: perInstanceConcurrency } }
      }
    }
  }
}

// Deploying requires Entra ID: the publishing passwords of the app are disabled.
resource noFtpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

resource noScmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

@description('Name of the app.')
output name string = app.name

@description('Host name of the app.')
output hostName string = app.properties.defaultHostName
