using '../../../infra/main.bicep'

// An existing storage account in another resource group is taken over.
param environmentName = 'sample'
param location = 'westeurope'
param httpSecret = 'sample secret for tests, 32 characters'
param signingKeyBase64 = 'c2FtcGxlIGtleQ=='
param existingStorageAccountName = 'existingaccount'
param existingStorageResourceGroupName = 'existing-group'
param containerName = 'images'
