// A virtual network for the app's outbound connections, with private endpoints for storage and vault.

@description('Name of the network.')
param name string

@description('Prefix of the names of private endpoints.')
param endpointPrefix string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Services that get a private endpoint: name, id (resource ID) and kind (blob or vault) of each.')
param services array

resource network 'Microsoft.Network/virtualNetworks@2024-01-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['10.0.0.0/16'] }
    subnets: [
      {
        name: 'endpoints'
        properties: { addressPrefix: '10.0.0.0/27' }
      }
      {
        name: 'app'
        properties: {
          // On Flex Consumption, instances share addresses: 256 are more than the app will ever need.
          addressPrefix: '10.0.1.0/24'
          delegations: [
            {
              name: 'flex-consumption'
              properties: { serviceName: 'Microsoft.App/environments' }
            }
          ]
        }
      }
    ]
  }
}

// One zone per kind of service: a network can be linked to each zone name only once.
module blobZone 'private-zone.bicep' = {
  name: 'blob-zone'
  params: {
    name: 'privatelink.blob.${environment().suffixes.storage}'
    tags: tags
    networkId: network.id
  }
}

module vaultZone 'private-zone.bicep' = {
  name: 'vault-zone'
  params: {
    name: 'privatelink${replace(environment().suffixes.keyvaultDns, '.vault.', '.vaultcore.')}'
    tags: tags
    networkId: network.id
  }
}

module endpoints 'private-endpoint.bicep' = [
  for service in services: {
    name: 'endpoint-${service.name}'
    params: {
      name: '${endpointPrefix}${service.name}'
      location: location
      tags: tags
      serviceId: service.id
      groupId: service.kind
      subnetId: '${network.id}/subnets/endpoints'
      zoneId: service.kind == 'vault' ? vaultZone.outputs.id : blobZone.outputs.id
    }
  }
]

@description('Resource ID of the subnet for the app\'s outbound connections.')
output appSubnetId string = '${network.id}/subnets/app'
