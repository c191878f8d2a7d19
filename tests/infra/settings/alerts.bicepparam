using '../../../infra/main.bicep'

// Alerts by email.
param environmentName = 'sample'
param location = 'westeurope'
param httpSecret = 'sample secret for tests, 32 characters'
param signingKeyBase64 = 'c2FtcGxlIGtleQ=='
param alertEmail = 'operator@example.com'
