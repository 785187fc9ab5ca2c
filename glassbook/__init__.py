"""The command line and the local cluster: starts, stops and shows the exchange; holds no rule of trading."""
