"""The app's identities have the permissions they need, on the narrowest scope, and no others."""

from __future__ import annotations

import pytest

from .snapshots import HOST_PRINCIPAL_ID, NAMES, PRINCIPAL_ID, deployment

_IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"

# Microsoft Learn, "Azure built-in roles".
ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": "Storage Blob Delegator",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
}

SUBSCRIPTION = "/subscriptions/11111111-1111-1111-1111-111111111111"
OWN_GROUP = f"{SUBSCRIPTION}/resourceGroups/rg-sample"


@pytest.mark.parametrize("name", NAMES)
def test_the_identities_have_exactly_these_roles(name: str) -> None:
    """The registry's opens its data, the host's everything else: neither opens what the other does.

    A role that is added, or a scope that is widened, must be written down here too.
    """
    found = sorted(
        (
            ROLES[one.properties["roleDefinitionId"].rpartition("/")[2]],
            one.scope,
            one.properties["principalId"],
        )
        for one in deployment(name).all("Microsoft.Authorization/roleAssignments")
    )
    host = deployment(name).app_settings()["AzureWebJobsStorage__blobServiceUri"]
    host_account = host.removeprefix("https://").partition(".")[0]
    data = account_with_data(name)
    container = deployment(name).app_settings()["REGISTRY_STORAGE_AZURE_CONTAINER"]
    assert found == sorted(
        [
            (
                "Storage Blob Data Contributor",
                f"{data}/blobServices/default/containers/{container}",
                PRINCIPAL_ID,
            ),
            ("Storage Blob Delegator", data, PRINCIPAL_ID),
            (
                "Storage Blob Data Owner",
                f"{OWN_GROUP}/providers/Microsoft.Storage/storageAccounts/{host_account}",
                HOST_PRINCIPAL_ID,
            ),
            (
                "Key Vault Secrets User",
                deployment(name).one("Microsoft.KeyVault/vaults").id,
                HOST_PRINCIPAL_ID,
            ),
            (
                "Monitoring Metrics Publisher",
                deployment(name).one("Microsoft.Insights/components").id,
                HOST_PRINCIPAL_ID,
            ),
        ]
    )


@pytest.mark.parametrize("name", NAMES)
def test_roles_are_assigned_to_the_identities_of_the_app(name: str) -> None:
    """Their type is given, because Azure may not know an identity yet that is seconds old."""
    site = deployment(name).one("Microsoft.Web/sites")
    identities = {one.id for one in deployment(name).all(_IDENTITY)}
    assert len(identities) == 2
    assert site.body["identity"] == {
        "type": "UserAssigned",
        "userAssignedIdentities": {identity: {} for identity in identities},
    }
    for one in deployment(name).all("Microsoft.Authorization/roleAssignments"):
        assert one.properties["principalType"] == "ServicePrincipal"
        assert one.properties["roleDefinitionId"].startswith(f"{SUBSCRIPTION}/providers/")
        owners = [each for each in identities if f"/{each.rpartition('/')[2]}'" in one.id]
        assert len(owners) == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_platform_uses_the_identity_of_the_host(name: str) -> None:
    """For the package and for references to the vault."""
    site = deployment(name).one("Microsoft.Web/sites").properties
    (host,) = [one.id for one in deployment(name).all(_IDENTITY) if one.name.startswith("id-host-")]
    storage = site["functionAppConfig"]["deployment"]["storage"]
    assert storage["authentication"]["userAssignedIdentityResourceId"] == host
    assert site["keyVaultReferenceIdentity"] == host


@pytest.mark.parametrize("name", NAMES)
def test_a_second_deployment_finds_the_role_assignments_of_the_first(name: str) -> None:
    """The name of each is made of scope, principal and role, and of nothing that changes."""
    for one in deployment(name).all("Microsoft.Authorization/roleAssignments"):
        role = one.properties["roleDefinitionId"].rpartition("/")[2]
        assert f"guid('{one.scope}', reference(" in one.id
        assert one.id.endswith(f").principalId, '{role}'))]")


@pytest.mark.parametrize("name", NAMES)
def test_the_account_with_the_images_is_locked_against_deletion(name: str) -> None:
    """New or existing; `options` switches the lock off."""
    locks = deployment(name).all("Microsoft.Authorization/locks")
    expected = [] if name == "options" else [(account_with_data(name), "CanNotDelete")]
    assert [(one.scope, one.properties["level"]) for one in locks] == expected


@pytest.mark.parametrize("name", NAMES)
def test_the_storage_of_the_host_is_not_the_storage_of_the_registry(name: str) -> None:
    """So that the permissions of the host do not extend to any image."""
    settings = deployment(name).app_settings()
    account = settings["REGISTRY_STORAGE_AZURE_ACCOUNTNAME"]
    assert settings["AzureWebJobsStorage__blobServiceUri"].split("/")[2].split(".")[0] != account


def account_with_data(name: str) -> str:
    group = (
        OWN_GROUP.replace("rg-sample", "existing-group")
        if name == "existing-account"
        else OWN_GROUP
    )
    account = deployment(name).app_settings()["REGISTRY_STORAGE_AZURE_ACCOUNTNAME"]
    return f"{group}/providers/Microsoft.Storage/storageAccounts/{account}"
