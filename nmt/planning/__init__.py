"""From raw data to a config: facts of the data, rules for the settings, validation and test set."""
