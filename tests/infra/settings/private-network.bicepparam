using '../../../infra/main.bicep'

// Storage and vault behind private endpoints.
param environmentName = 'sample'
param location = 'westeurope'
param httpSecret = 'sample secret for tests, 32 characters'
param signingKeyBase64 = 'c2FtcGxlIGtleQ=='
param privateNetwork = true
