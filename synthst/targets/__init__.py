"""Make training sets whose targets are a teacher's translations."""
