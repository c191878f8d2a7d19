// Logs, and the permission to write them.

@description('Name of the Log Analytics workspace.')
param workspaceName string

@description('Name of the Application Insights component.')
param insightsName string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Principal ID of the identity that the host uses.')
param principalId string

@description('Days for which logs are kept.')
param retentionDays int

@description('Maximum GB per day.')
param dailyCapGb int

// Monitoring Metrics Publisher: send telemetry, without reading any.
var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
    workspaceCapping: { dailyQuotaGb: dailyCapGb }
    features: { disableLocalAuth: true }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: insightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    // A leaked connection string is not enough to write logs: that requires Entra ID.
    DisableLocalAuth: true
  }
}

// With local authentication disabled, the app needs this role to send telemetry.
resource access 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, principalId, metricsPublisher)
  scope: insights
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
  }
}

@description('Resource ID of the workspace.')
output workspaceId string = workspace.id

@description('Connection string. Not a secret: with local authentication disabled it grants no access.')
output connectionString string = insights.properties.ConnectionString
