"""What only a storage account in Azure can show, over the registry's own client.

Skipped unless `REGISTRY_LIVE_CONNECTIONSTRING` or `REGISTRY_LIVE_SERVICEURL` names an account:
CONTRIBUTING.md says how to run them. Each test uses containers of its own and deletes them.

What Microsoft does not document is not asserted, but noted: the notes are printed at the end. What
the registry relies on, whatever the answer, is asserted. On Azurite all of them pass that do not
need what it lacks.
"""
