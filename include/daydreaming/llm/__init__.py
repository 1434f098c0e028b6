"""One call to one model: request, answer, errors, retry, price; and the two local servers."""
