"""A client to type by hand: run a function on an engine that runs anywhere, and say which workers did it.

On one computer, then on others (which must have ``helpers`` installed), then on any of them:

    python -m distributed.cli.dask_scheduler --host tcp://10.0.0.1 --port 8786 --no-dashboard
    python -m distributed.cli.dask_worker tcp://10.0.0.1:8786 --host 10.0.0.2 --nworkers 2 --nthreads 1
    python -m helpers.engine tcp://10.0.0.1:8786 --function square 1 2 3

With TLS, write tls:// for tcp://, copy one folder that ``engine.certify`` has filled to all of them, and add
``--tls-ca-file F/cert.pem --tls-cert F/cert.pem --tls-key F/key.pem --preload helpers.engine.tls_repair`` to
the first two, ``--preload-nanny helpers.engine.tls_repair`` to the second, ``--certificate F`` to the last.

It prints one line of JSON: the values, and the address of each worker.
"""

import argparse
import json

from distributed import Client

from helpers.engine.certificates import load
from helpers.jobqueue import functions


def main(arguments: list[str] | None = None) -> None:
    """Run the program. Raises OSError when there is no scheduler at the address, or it refuses us."""
    parser = argparse.ArgumentParser(prog="python -m helpers.engine", description="Run tasks on Dask.")
    parser.add_argument("address", help="the scheduler's, such as tcp://10.0.0.1:8786")
    parser.add_argument("numbers", type=int, nargs="+", help="a task for each")
    parser.add_argument("--function", choices=functions.FUNCTIONS, default="square")
    parser.add_argument("--certificate", help="the folder that holds cert.pem and key.pem (default: no TLS)")
    parser.add_argument("--timeout", type=float, default=60, help="seconds to wait (default: 60)")
    options = parser.parse_args(arguments)
    security = load(options.certificate) if options.certificate else None
    with Client(options.address, security=security, timeout=options.timeout) as client:
        futures = client.map(functions.find(options.function), options.numbers)
        values = [future.result(options.timeout) for future in futures]
        workers = {address for addresses in client.who_has(futures).values() for address in addresses}
    print(json.dumps({"values": values, "workers": sorted(workers)}))


if __name__ == "__main__":
    main()
