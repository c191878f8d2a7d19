"""What Azure Functions needs besides the application: routing, invocations, limits."""
