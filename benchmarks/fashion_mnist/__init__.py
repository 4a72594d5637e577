"""Fashion-MNIST (MIT licence, Zalando SE): two trained networks, the data they were trained on, and how."""
