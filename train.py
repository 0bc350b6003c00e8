"""Train, walk forward, trade and file one experiment: python train.py strategy=lstm device=mps"""

from barwise.cli import main

if __name__ == "__main__":
    main()
