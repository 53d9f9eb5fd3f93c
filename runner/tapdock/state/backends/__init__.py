"""Where states are stored: one interface, a module for each kind of store, and leases for stores without locks."""
