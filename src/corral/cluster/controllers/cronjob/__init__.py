"""CronJob: a Job again and again, by the clock."""
