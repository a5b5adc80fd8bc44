"""The connectors: one per kind of ERP, all behind `gateway.port.Connector`."""
