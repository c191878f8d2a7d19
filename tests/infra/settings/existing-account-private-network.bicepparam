using '../../../infra/main.bicep'

// An existing storage account in the same resource group is taken over, with a private network.
param environmentName = 'sample'
param location = 'westeurope'
param httpSecret = 'sample secret for tests, 32 characters'
param signingKeyBase64 = 'c2FtcGxlIGtleQ=='
param existingStorageAccountName = 'existingaccount'
param privateNetwork = true
