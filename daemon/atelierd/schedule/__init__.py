"""When work may be done: weekly hours as a pure function of the moment, the hours and the zone."""
