"""Train, walk forward, trade and file one experiment: python train.py strategy=lstm device=mps"""

from barwise.commands.train import main

if __name__ == "__main__":
    main()
