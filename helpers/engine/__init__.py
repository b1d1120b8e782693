"""The functions of the job queue on an engine that others have built: dask.distributed.

client (a notebook)              scheduler (a program)            workers (processes, kept by a nanny)

map(function, ...) ------------> what is to do, who has what ---> function(3)
                                                             <--- done; the value stays with the worker
value <---------------------------------------------------------- when the client asks for it

    with engine.launch(workers=2) as cluster:
        futures = cluster.client.map(functions.find("pi_sum"), [1000, 2000])
        cluster.client.gather(futures)

cluster       starts the scheduler and the workers by Dask's own commands, and ends them
leave         what these programs load on top of Dask, so that they never outlive us
certificates  makes certificates for TLS, and tries who is let in with one
tls_repair    keeps one TLS connection that ends from taking others with it, a fault of Python's
runs          a run as a trace, and what a task costs
__main__      a client to type by hand, for an engine on other computers
"""

from helpers.engine.certificates import certify, load, try_certificate
from helpers.engine.cluster import Cluster, launch
from helpers.engine.runs import per_task, run, spans, trace

__all__ = ["Cluster", "certify", "launch", "load", "per_task", "run", "spans", "trace", "try_certificate"]
