// Alerts on failed and slow requests, on failed logins, on logs that are cut off, and on a package that
// was written.

@description('Prefix of resource names.')
param namePrefix string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Resource ID of the Log Analytics workspace.')
param workspaceId string

@description('Blob container of the package; empty if writes to it are not logged.')
param packageContainer string

@description('Email address for alerts; empty for none.')
param email string

@description('Resource ID of an existing action group; empty for none.')
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

// On logs rather than metrics: a share of requests is not a metric, and a response of 500 or
// above that the registry sends counts as a successful invocation. A share of very few requests is
// meaningless, hence the minimum of 10.
var always = [
  {
    name: 'failures'
    description: 'More than 5 % of requests were answered with status 500 or above.'
    query: '''
      AppRequests
      | summarize requests = count(), failed = countif(toint(ResultCode) >= 500)
      | where failed * 20 > requests and requests >= 10
    '''
  }
  {
    name: 'latency'
    description: 'The median duration of read requests was above 2 seconds.'
    query: '''
      AppRequests
      | where tostring(Properties.HttpMethod) !in ('POST', 'PATCH', 'PUT')
      | summarize requests = count(), milliseconds = percentile(DurationMs, 50)
      | where milliseconds > 2000 and requests >= 10
    '''
  }
  {
    // The audit log of the registry (docs/audit.md). Of sampled items, ItemCount says how many they stand for.
    name: 'logins'
    description: 'More than 100 logins were denied.'
    query: '''
      AppTraces
      | where Message startswith 'audit {'
      | extend line = parse_json(substring(Message, 6))
      | where line.action == 'login' and line.outcome == 'denied'
      | summarize denied = sum(ItemCount)
      | where denied > 100
    '''
  }
  {
    // Written even when the cap is reached. Microsoft Learn, "Set daily cap on Log Analytics workspace".
    name: 'daily-cap'
    description: 'The daily cap of the logs is reached: until it resets, nothing is logged.'
    query: '''
      _LogOperation
      | where Category =~ 'Ingestion' and Detail contains 'OverQuota'
    '''
  }
]
var whenLogged = [
  {
    // Expected after each publication, and only then: what runs can write its own package.
    name: 'package'
    description: 'The package of the app was written or deleted.'
    query: '''
      StorageBlobLogs
      | where Category in ('StorageWrite', 'StorageDelete') and StatusCode startswith '2'
      | where ObjectKey contains '/PACKAGES/'
    '''
  }
]
var rules = concat(always, empty(packageContainer) ? [] : whenLogged)

resource alerts 'Microsoft.Insights/scheduledQueryRules@2022-06-15' = [
  for rule in rules: {
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
      // The table does not exist in a new workspace until the first request.
      skipQueryValidation: true
      // Each evaluation is billed: every 15 minutes costs a third of every 5 minutes.
      evaluationFrequency: 'PT15M'
      windowSize: 'PT15M'
      criteria: {
        allOf: [
          {
            query: replace(rule.query, 'PACKAGES', packageContainer)
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
  }
]
