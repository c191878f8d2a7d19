using '../../../infra/main.bicep'

// Without authentication.
param environmentName = 'sample'
param location = 'westeurope'
param httpSecret = 'sample secret for tests, 32 characters'
param authMode = 'none'
