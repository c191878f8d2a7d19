using '../../../infra/main.bicep'

// Every other option differs from its default.
param environmentName = 'sample'
param location = 'westeurope'
param httpSecret = 'sample secret for tests, 32 characters'
param signingKeyBase64 = 'c2FtcGxlIGtleQ=='
param firstUser = 'alice'
param customHost = 'https://registry.example.com'
param collectGarbage = true
param storageSku = 'Standard_ZRS'
param softDeleteDays = 0
param lockStorage = false
param instanceMemoryMB = 4096
param perInstanceConcurrency = 32
param maximumInstanceCount = 100
param alwaysReadyInstances = 2
param requestBodyLimitBytes = 2147483648
param allowBodiesBeyondMemory = true
param allowedNetworks = ['192.0.2.0/24', '2001:db8::/32', '198.51.100.7/32']
param allowedPublishingNetworks = ['203.0.113.0/28']
param storageLogs = []
param vaultPurgeProtection = true
param logRetentionDays = 90
param logDailyCapGb = 5
param actionGroupId = '/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/operations/providers/Microsoft.Insights/actionGroups/on-call'
param registrySettings = {
  REGISTRY_STORAGE_DELETE_ENABLED: 'false'
  REGISTRY_STORAGE_AZURE_ROOTDIRECTORY: '/some/folder/'
}
