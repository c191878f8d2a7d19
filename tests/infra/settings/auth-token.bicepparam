using '../../../infra/main.bicep'

// A separate token service issues the tokens.
param environmentName = 'sample'
param location = 'westeurope'
param httpSecret = 'sample secret for tests, 32 characters'
param authMode = 'token'
param registrySettings = {
  REGISTRY_AUTH_TOKEN_REALM: 'https://tokens.example.com/token'
  REGISTRY_AUTH_TOKEN_SERVICE: 'registry.example.com'
  REGISTRY_AUTH_TOKEN_ISSUER: 'tokens.example.com'
  REGISTRY_AUTH_TOKEN_JWKS: 'https://tokens.example.com/keys'
}
