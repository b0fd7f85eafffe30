"""datmos: predictors of listener ratings that do not fall for spurious correlations."""
