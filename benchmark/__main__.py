"""``python -m benchmark``, the way in from a clone; the installed command is `lookalike`."""

import sys

from benchmark.session.shadowing import hidden_packages, way_out

if __name__ == "__main__":
    if hidden := hidden_packages():
        print(f"error: {hidden}; type instead: {way_out(sys.argv[1:])}", file=sys.stderr)
        sys.exit(2)
    from benchmark.cli.start import main

    main()
