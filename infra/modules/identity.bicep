// An identity of the app. User-assigned, so that its roles exist before the app first starts.

@description('Name of the identity.')
param name string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
  tags: tags
}

@description('Resource ID of the identity.')
output id string = identity.id

@description('Client ID, for requesting tokens.')
output clientId string = identity.properties.clientId

@description('Principal ID, for role assignments.')
output principalId string = identity.properties.principalId
