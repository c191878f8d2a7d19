using '../../../infra/main.bicep'

// Storage and vault behind private endpoints.
param environmentName = 'sample'
param location = 'westeurope'
param httpSecret = 'sample secret for tests'
param privateNetwork = true
param firstUser = 'alice'
