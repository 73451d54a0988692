"""What people work from: the queue of cases, upsell and maintenance offers, and the actions they take."""
