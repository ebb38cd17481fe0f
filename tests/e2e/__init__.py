"""A package, unlike its neighbours, so that the browser's fixture can live as long as these tests and no longer."""
