"""Pictures, videos and documents, made into what a model can be shown."""
