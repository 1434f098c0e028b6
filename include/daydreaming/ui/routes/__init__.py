"""One module for each page: reads its query, asks the pipeline, fills a template."""
