"""Episodes on Ray: workers that play them, engines that sample for them, and a driver that replaces what dies."""
