"""`python -m tools.cost`: the monthly bill of the registry on Azure, and of its alternatives.

`traffic` turns a month of pulls and pushes into requests, `measured` has the cost of each request,
`usage` adds them up, `prices` has Azure's prices, and `plans` computes the bills. docs/cost.md
explains the model.
"""
