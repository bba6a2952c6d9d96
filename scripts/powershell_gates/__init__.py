"""Gates for the PowerShell scripts that are shipped: no PowerShell runs here, so they are held to what can be read."""
