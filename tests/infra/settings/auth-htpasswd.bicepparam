using '../../../infra/main.bicep'

// Users of an htpasswd file.
param environmentName = 'sample'
param location = 'westeurope'
param httpSecret = 'sample secret for tests, 32 characters'
param authMode = 'htpasswd'
param firstUser = 'alice'
param usersBase64 = 'c2FtcGxlIHVzZXJz'
