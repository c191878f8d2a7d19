// What somebody is told of: requests that the registry failed, and requests that wait.

@description('Beginning of the names of resources.')
param namePrefix string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Whom to mail; empty for nobody.')
param email string

@description('Resource id of an action group; empty for none.')
param actionGroupId string

resource mail 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: '${namePrefix}-mail'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'registry'
    emailReceivers: [{ name: 'operator', emailAddress: email, useCommonAlertSchema: true }]
  }
}

var groups = union(empty(email) ? [] : [mail.id], empty(actionGroupId) ? [] : [actionGroupId])

// Over logs, not metrics: a share of requests is no metric, and a registry's own answers of 500 and
// above count as successful invocations. Shares of a handful of requests say nothing: hence the 10.
var rules = [
  {
    name: 'failures'
    description: 'More than 5 % of requests were answered with 500 or above.'
    query: '''
      AppRequests
      | summarize requests = count(), failed = countif(toint(ResultCode) >= 500)
      | where failed * 20 > requests and requests >= 10
    '''
  }
  {
    name: 'latency'
    description: 'Half of the requests that read took more than 2 seconds.'
    query: '''
      AppRequests
      | where tostring(Properties.HttpMethod) !in ('POST', 'PATCH', 'PUT')
      | summarize requests = count(), milliseconds = percentile(DurationMs, 50)
      | where milliseconds > 2000 and requests >= 10
    '''
  }
]

resource alerts 'Microsoft.Insights/scheduledQueryRules@2022-06-15' = [for rule in rules: {
  name: '${namePrefix}-${rule.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Registry: ${rule.name}'
    description: rule.description
    severity: 2
    enabled: true
    scopes: [workspaceId]
    // A new workspace has no such table until the first request.
    skipQueryValidation: true
    // Each evaluation is paid for: a quarter of an hour costs a third of five minutes.
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: true
    actions: { actionGroups: groups }
  }
}]
