// A private DNS zone for one kind of service, linked to the virtual network.

@description('Name of the zone, such as privatelink.blob.core.windows.net.')
param name string

@description('Tags of every resource.')
param tags object

@description('Resource ID of the virtual network.')
param networkId string

resource zone 'Microsoft.Network/privateDnsZones@2020-06-01' = {
  name: name
  location: 'global'
  tags: tags
}

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2020-06-01' = {
  parent: zone
  name: 'registry'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: networkId }
  }
}

@description('Resource ID of the zone.')
output id string = zone.id
