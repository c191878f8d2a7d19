"""A private network closes storage and the vault to the internet, and keeps the app connected."""

from __future__ import annotations

import pytest

from .snapshots import Deployment, Resource, deployment

ACCOUNT = "Microsoft.Storage/storageAccounts"
VAULT = "Microsoft.KeyVault/vaults"
ENDPOINT = "Microsoft.Network/privateEndpoints"
PRIVATE = ["private-network", "existing-account-private-network"]

# Microsoft Learn, "Azure Private Endpoint private DNS zone values".
SUBRESOURCES = {
    ACCOUNT: ("blob", "privatelink.blob.core.windows.net"),
    VAULT: ("vault", "privatelink.vaultcore.azure.net"),
}


def test_by_default_there_is_no_network() -> None:
    """Storage is public, since clients download layers there with signed URLs; so is the vault."""
    assert [
        one for one in deployment().resources if one.type.startswith("Microsoft.Network/")
    ] == []
    assert deployment().one("Microsoft.Web/sites").properties["virtualNetworkSubnetId"] is None
    for one in services(deployment()):
        assert one.properties["publicNetworkAccess"] == "Enabled"
        assert one.properties["networkAcls"]["defaultAction"] == "Allow"


@pytest.mark.parametrize("name", PRIVATE)
def test_storage_and_vault_refuse_the_public_network(name: str) -> None:
    for one in services(deployment(name)):
        assert one.properties["publicNetworkAccess"] == "Disabled"
        assert one.properties["networkAcls"]["defaultAction"] == "Deny"


@pytest.mark.parametrize("name, count", [(PRIVATE[0], 3), (PRIVATE[1], 2)])
def test_each_closed_service_has_an_endpoint(name: str, count: int) -> None:
    """An existing account is neither closed nor given one."""
    connected = [
        link["properties"]["privateLinkServiceId"]
        for one in deployment(name).all(ENDPOINT)
        for link in one.properties["privateLinkServiceConnections"]
    ]
    assert sorted(connected) == sorted(one.id for one in services(deployment(name)))
    assert len(connected) == count


@pytest.mark.parametrize("name", PRIVATE)
def test_the_app_has_a_subnet_of_its_own(name: str) -> None:
    """Flex Consumption requires one that is delegated to it; the endpoints are in another."""
    network = deployment(name).one("Microsoft.Network/virtualNetworks")
    subnets = {one["name"]: one["properties"] for one in network.properties["subnets"]}
    site = deployment(name).one("Microsoft.Web/sites")
    own = site.properties["virtualNetworkSubnetId"].removeprefix(f"{network.id}/subnets/")
    (delegation,) = subnets[own]["delegations"]
    assert delegation["properties"]["serviceName"] == "Microsoft.App/environments"
    used = {one.properties["subnet"]["id"] for one in deployment(name).all(ENDPOINT)}
    assert used <= {f"{network.id}/subnets/{other}" for other in subnets.keys() - {own}}


@pytest.mark.parametrize("name", PRIVATE)
def test_names_resolve_to_the_endpoints_inside_the_network(name: str) -> None:
    """The record of each endpoint is in the zone of its service, which is linked to the network."""
    network = deployment(name).one("Microsoft.Network/virtualNetworks")
    groups = {
        one.name.partition("/")[0]: one
        for one in deployment(name).all(f"{ENDPOINT}/privateDnsZoneGroups")
    }
    links = {
        one.name.partition("/")[0]: one.properties["virtualNetwork"]["id"]
        for one in deployment(name).all("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
    }
    for one in deployment(name).all(ENDPOINT):
        (connection,) = one.properties["privateLinkServiceConnections"]
        (zone,) = groups[one.name].properties["privateDnsZoneConfigs"]
        service = connection["properties"]["privateLinkServiceId"].partition("/providers/")[2]
        subresource, zone_name = SUBRESOURCES[service.rpartition("/")[0]]
        assert connection["properties"]["groupIds"] == [subresource]
        assert zone["properties"]["privateDnsZoneId"].rpartition("/")[2] == zone_name
        assert links[zone_name] == network.id


def services(deployed: Deployment) -> list[Resource]:
    return [*deployed.all(ACCOUNT), *deployed.all(VAULT)]
