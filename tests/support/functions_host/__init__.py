"""Microsoft's Functions runtime for Python with a stand-in for the host around it, as a program.

`python -m tests.support.functions_host --app DIR --port N` indexes the app in DIR with
`azure-functions-runtime`, the library that the production worker runs, and serves its HTTP
functions the way the Functions host does. One app per process, because the library keeps its
registry in module globals.

    protos.py       the gRPC messages that the library constructs and reads, as plain objects
    worker.py       drives the library: index, load, invoke
    head.py         what the host refuses or corrects in the head of a request
    routes.py       which function a request belongs to, and how the host rewrites its path
    invocations.py  the invocations in progress, and the log of how they ended
    body.py         the body of a request: read whole first, or streamed
    relay.py        forwards a request to the worker's own HTTP server, and relays the answer
    front.py        the HTTP front end: one invocation and one forwarded request per request
    __main__.py     the program
    process.py      how tests start the program
"""
