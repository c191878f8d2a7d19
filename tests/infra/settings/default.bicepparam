using '../../../infra/main.bicep'

// What azd deploys without any configuration: its hook generates a key and a first user.
param environmentName = 'sample'
param location = 'westeurope'
param httpSecret = 'sample secret for tests, 32 characters'
param firstUser = 'alice'
param signingKeyBase64 = 'c2FtcGxlIGtleQ=='
param usersBase64 = 'c2FtcGxlIHVzZXJz'
