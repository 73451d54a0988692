"""The IoT tariff workbench."""
