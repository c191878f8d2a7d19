using '../../../infra/main.bicep'

// Entra ID only: the registry issues the tokens and has no users of its own.
param environmentName = 'sample'
param location = 'westeurope'
param httpSecret = 'sample secret for tests, 32 characters'
param signingKeyBase64 = 'c2FtcGxlIGtleQ=='
param authMode = 'builtin'
param registrySettings = {
  REGISTRY_AUTH_ENTRA_TENANTID: '33333333-3333-3333-3333-333333333333'
  REGISTRY_AUTH_ENTRA_CLIENTID: '44444444-4444-4444-4444-444444444444'
  REGISTRY_AUTH_RULES: '''
    [[rule]]
    who = ["everyone"]
    may = ["pull"]
    on = ["**"]
  '''
}
